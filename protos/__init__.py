"""The contract with the central: messages, generated code, and what both ends must agree on."""
