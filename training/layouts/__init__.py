"""Reading what people upload: archives that are not trusted, and the folder layouts of the field. Without Django."""
