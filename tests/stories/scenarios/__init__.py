"""What happens to projects in real life, each as a named story: it ends clean, or with a loud conflict."""
