"""An object store that speaks as Amazon S3 does and checks signatures, steered by lines of JSON on standard input.

The first line of its output says where it is and whom it lets in. Each line of input is {"op": "bucket" | "put" | "delete" | "list" | "get", ...}; it is answered by a line.
"""

import json
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    iam = boto3.client("iam", endpoint_url=endpoint, aws_access_key_id="nobody", aws_secret_access_key="nothing")
    iam.create_user(UserName="tessera")
    iam.put_user_policy(UserName="tessera", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
    key = iam.create_access_key(UserName="tessera")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    s3 = boto3.client("s3", endpoint_url=endpoint, **keys)
    told = {"endpoint": endpoint, "access_key_id": keys["aws_access_key_id"], "secret_access_key": keys["aws_secret_access_key"]}
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        asked, answer = json.loads(line), {}
        if asked["op"] == "bucket":
            s3.create_bucket(Bucket=asked["bucket"])
        elif asked["op"] == "put":
            with open(asked["file"], "rb") as file:
                s3.put_object(Bucket=asked["bucket"], Key=asked["key"], Body=file.read())
        elif asked["op"] == "list":
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=asked["bucket"])
            answer["keys"] = [item["Key"] for page in pages for item in page.get("Contents", [])]
        elif asked["op"] == "get":
            answer["text"] = s3.get_object(Bucket=asked["bucket"], Key=asked["key"])["Body"].read().decode()
        else:
            s3.delete_object(Bucket=asked["bucket"], Key=asked["key"])
        print(json.dumps(answer), flush=True)


main()
