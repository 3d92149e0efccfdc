def count(path):
    with open(path) as file:
        return len(file.read().split())
