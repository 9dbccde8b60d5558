"""What tests of several rooms share: the toy sky, runs on it, and small made-up inputs."""
