"""The one image that holds every component and server (Dockerfile)."""

IMAGE = "screentest-python:0.1.0"
