"""`make gateway`: a LiteLLM proxy with our plug-in, in front of a running instance on this machine."""
