"""The laboratory's hosts: emulated machines that run the dom0 image, on Tern, on real Xen, or on nothing."""
