"""What an arm is expected to achieve and to cost: one method a file."""
