"""What a service's folder of manifests makes of a cluster: read, rendered for an environment and a version, and tried by a dry run. All of it only reads."""
