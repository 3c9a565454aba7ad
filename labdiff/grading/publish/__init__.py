"""What grading writes: tables, pages, and the copies of the notebooks for students."""
