"""Units of work, their manifests, resume, publication, and the main job."""
