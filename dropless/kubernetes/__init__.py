"""What would be installed on Kubernetes: releases, sizes, values, manifests. Pure; it opens no connection."""
