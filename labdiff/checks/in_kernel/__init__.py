"""What runs beside the student's function: calling it, guarding it, recording what it did. A grading kernel
gets this
folder of the checks, and no other."""
