"""Collections, their images and metadata, and selections of images."""
