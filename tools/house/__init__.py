"""The work behind ./tern: building, booting and testing. Standard library only."""
