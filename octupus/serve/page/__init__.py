"""The web page for trying tools, served at `/` of the ingress: plain HTML, CSS and JavaScript, nothing from outside."""
