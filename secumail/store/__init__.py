"""The store: MongoDB. What a mail, an account, a key looks like there is told by the repository that keeps it.

client     the connection; the only import of the driver's client
blobs      large sealed data behind a port: inline, or GridFS
indexes    every index, as data
rewrapping what lies under an older version of a KMS scope, brought under the current one
rights     who may do what to which collection, as data
transport  transport key pairs
"""
