"""Files that people bring: tables, pictures, and MNIST's own format."""
