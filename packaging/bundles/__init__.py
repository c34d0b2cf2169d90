"""What PyInstaller is told."""
