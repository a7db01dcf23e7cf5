"""What a file is: the catalogue of kinds, how each is recognised, and the containers that several formats share."""
