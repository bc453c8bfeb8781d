"""Where coordinate descent begins."""
