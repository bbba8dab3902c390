#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# A client of the Kubernetes container runtime interface, for tests. No package of Debian has one.
#
#   cri.py SOCKET
#
# reads lines `METHOD JSON` and answers each with one line of JSON: the response, or {"error": CODE, "message": TEXT}. The
# messages are those of cri.proto beside this file. It ends with its input.

import json
import os
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

PACKAGE = 'runtime.v1.'
IMAGE_METHODS = {'ImageStatus'}


def load_messages():
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(['protoc-c', '-I', here, '--descriptor_set_out=' + out.name, os.path.join(here, 'cri.proto')], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(PACKAGE + name))


def call(channel, message, method, text):
    service = 'ImageService' if method in IMAGE_METHODS else 'RuntimeService'
    stub = channel.unary_unary('/%s%s/%s' % (PACKAGE, service, method),
                               request_serializer=lambda m: m.SerializeToString(),
                               response_deserializer=message(method + 'Response').FromString)
    try:
        answer = stub(json_format.Parse(text, message(method + 'Request')()), timeout=90, wait_for_ready=True)
    except grpc.RpcError as error:
        return {'error': error.code().name, 'message': error.details()}
    return json_format.MessageToDict(answer, including_default_value_fields=True, preserving_proto_field_name=True)


def main():
    message = load_messages()
    options = [('grpc.initial_reconnect_backoff_ms', 100), ('grpc.max_reconnect_backoff_ms', 500)]
    with grpc.insecure_channel('unix:' + sys.argv[1], options=options) as channel:
        for line in sys.stdin:
            method, _, text = line.strip().partition(' ')
            print(json.dumps(call(channel, message, method, text or '{}')), flush=True)


main()
