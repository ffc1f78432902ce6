"""What a laboratory host boots, made from Debian's packages by the recipe in guests/linux."""
