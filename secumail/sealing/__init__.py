"""Keys and sealing, as docs/keys.md says: who can open what. Built on `cryptography` alone; no S/MIME here.

hpke        a key pair, and sealing a short secret to its public half
stream      data under a key: bodies, metadata, images
kms         a service's long-lived secrets, in scopes, behind a port; in files
kms_pkcs11  the same in a PKCS#11 token
wraps       everything stored under those scopes, as data
identities  the pinned public keys of all services
transport   a service's daily key pair, and everybody's public halves
claims      the right to open one mail, handed from one service to the next
letters     sealed questions and answers
accounts    a person's keys
"""
