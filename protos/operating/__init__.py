"""What both programs do alike when an operator runs them as services: settings, logs, word to the service manager."""
