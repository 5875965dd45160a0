"""Delivery: sealed objects, parcels between nodes, bundles, the outbox, marks in prose.

Decides spec/disclosure-delivery.md. Bytes, instants and randomness are arguments; sockets, disks
and databases are for the node.
"""

from steelyard.disclosure.delivery.bundle import fill_bundle, read_bundle, write_bundle
from steelyard.disclosure.delivery.parcel import (
    Parcel,
    Receiver,
    SignedParcel,
    encrypt_parcel,
    open_parcel,
    pack,
    sign_parcel,
    unpack,
)
from steelyard.disclosure.delivery.sealed_object import (
    OpenedObject,
    object_id,
    open_object,
    recipients_of,
    seal_object,
)
from steelyard.disclosure.delivery.watermark import mark, trace

__all__ = [
    "OpenedObject",
    "Parcel",
    "Receiver",
    "SignedParcel",
    "encrypt_parcel",
    "fill_bundle",
    "mark",
    "object_id",
    "open_object",
    "open_parcel",
    "pack",
    "read_bundle",
    "recipients_of",
    "seal_object",
    "sign_parcel",
    "trace",
    "unpack",
    "write_bundle",
]
