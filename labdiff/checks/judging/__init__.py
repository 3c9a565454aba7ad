"""What runs outside of the student's function: comparing numbers, naming the mistake, explaining it."""
