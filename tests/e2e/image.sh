# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An image as containerd imports it, made of a directory. Needs gojq.

# Writes an OCI archive: one layer, which is ROOTFS, and the command that a container runs if it says nothing else.
oci_image() { # ROOTFS NAME ARCHIVE COMMAND...
        local rootfs=$1 name=$2 archive=$3 work layer config manifest

        shift 3
        work=$(mktemp -d "$archive.XXXXXX") && mkdir -p "$work/blobs/sha256" || return 1
        blob() { # reads one, prints its digest
                local sum

                cat >"$work/blob"
                sum=$(sha256sum <"$work/blob" | cut -d' ' -f1)
                mv "$work/blob" "$work/blobs/sha256/$sum"
                echo "sha256:$sum"
        }
        size() { # DIGEST
                stat -c %s "$work/blobs/sha256/${1#sha256:}"
        }
        layer=$(tar -C "$rootfs" -c . | blob)
        config=$(gojq -nc --arg layer "$layer" '{architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: [$layer]},
                config: {Env: ["PATH=/bin"], Cmd: $ARGS.positional}}' --args -- "$@" | blob)
        manifest=$(gojq -nc --arg layer "$layer" --arg config "$config" --argjson layer_size "$(size "$layer")" \
                --argjson config_size "$(size "$config")" '{schemaVersion: 2,
                config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: $config_size},
                layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $layer, size: $layer_size}]}' | blob)
        echo '{"imageLayoutVersion": "1.0.0"}' >"$work/oci-layout"
        gojq -nc --arg manifest "$manifest" --argjson size "$(size "$manifest")" --arg name "$name" '{schemaVersion: 2,
                manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $manifest, size: $size,
                platform: {architecture: "amd64", os: "linux"},
                annotations: {"org.opencontainers.image.ref.name": $name, "io.containerd.image.name": $name}}]}' >"$work/index.json"
        tar -C "$work" -cf "$archive" blobs oci-layout index.json
        rm -rf "$work"
}
