"""A trail from elsewhere: its records as read, and its calls as they are asked."""
