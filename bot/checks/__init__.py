"""What `aiec check` looks at: each module asks about one part of the outside and returns findings; nothing here changes anything anywhere."""
