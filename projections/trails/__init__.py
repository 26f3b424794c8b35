"""A trail from elsewhere: its records as they were read, and the calls as they are asked."""
