#!/bin/sh
# Writes the Secrets and ConfigMaps of an installation, from the directory that secumail.installation.prepare made:
#     kubectl apply -f deploy/k8s/base/namespace.yaml
#     deploy/k8s/installation.sh .run-k8s | kubectl apply --server-side -f -
#     kubectl apply -k deploy/k8s/base
# Each service gets one Secret with its own files and no other's. Nothing is kept but what goes to the output.
set -eu
home=${1:?usage: deploy/k8s/installation.sh DIRECTORY}
kubectl=${KUBECTL:-kubectl}

create() {
    echo ---
    "$kubectl" create "$@" --namespace secumail --dry-run=client --output yaml
}

# The arguments after a service's name are files that it has besides its passwords and the keys named after it.
service() {
    name=$1
    shift
    for key in "$home/keys/$name."*.key "$home/secrets/$name"/*; do
        set -- "$@" --from-file="$key"
    done
    create secret generic "$name" "$@"
}

address=--from-file=$home/keys/address.key
service gateway "$address" --from-file=tls.pem="$home/tls/gateway.pem" --from-file=tls.key="$home/tls/gateway.key"
service auth "$address"
service dlp
service crypto "$address" \
    --from-file=authority.pem="$home/authority/ca.pem" --from-file="$home/authority/issuing.key"
service stego
service delivery

create secret generic rabbitmq \
    --from-file="$home/rabbitmq/definitions.json" \
    --from-file=tls.pem="$home/tls/rabbitmq.pem" \
    --from-file=tls.key="$home/tls/rabbitmq.key"
create secret generic mongodb \
    --from-file="$home/secrets/mongodb/keyfile" \
    --from-file="$home/secrets/mongodb/admin_password" \
    --from-file=tls.pem="$home/tls/mongodb.pem"

create configmap installation --from-file="$home/tls/ca.pem" --from-file="$home/identities.json"
