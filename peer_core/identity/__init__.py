"""Who this device is: key, certificate, enrolment, revocations, proven connections."""
