"""`rightslice operator`: watches ModelDeployments, decides, tells and, in enforce, acts."""
