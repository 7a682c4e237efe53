"""What is the product in a picture, and which colours it has."""
