"""Floor 6: tasks as cards, runs that resume, scores twice with intervals, reports with the pictures."""
