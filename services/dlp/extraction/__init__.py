"""Reading whatever a mail's attachments carry, inside limits and in a process of its own.

`walk` goes through a file and the files in it; a module for each family of formats takes one file apart into
`pieces`; `child` keeps the processes the walk runs in, and `worker` is what runs there.
"""
