# SPDX-License-Identifier: Apache-2.0
"""Publishes and subscribes with the Paho client: paho_client.py TRANSPORT PORT CA USER PASSWORD TOPIC COUNT [CERTIFICATE KEY]

TRANSPORT is tcp, tls, websockets or wss; without a user the client's certificate says who it is. Every message is published with QoS 2, and must come back once, in order; prints what came, and exits with 0.
"""
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

transport, port, ca, user, password, topic, count = sys.argv[1:8]
certificate, key = sys.argv[8:10] if len(sys.argv) > 8 else (None, None)
received = queue.Queue()
connected = queue.Queue()
subscribed = queue.Queue()

client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id=f"paho-{transport}",
    protocol=mqtt.MQTTv5,
    transport="websockets" if transport in ("websockets", "wss") else "tcp",
)
if user:
    client.username_pw_set(user, password)
if transport in ("tls", "wss"):
    client.tls_set(ca, certfile=certificate, keyfile=key)
client.on_connect = lambda client, data, flags, reason, properties: connected.put(reason)
client.on_subscribe = lambda client, data, mid, reasons, properties: subscribed.put(reasons)
client.on_message = lambda client, data, message: received.put(message)
client.connect("localhost", int(port))
client.loop_start()
reason = connected.get(timeout=30)
assert not reason.is_failure, reason
client.subscribe(topic + "/#", qos=2)
reasons = subscribed.get(timeout=30)
assert [r.value for r in reasons] == [2], reasons
properties = Properties(PacketTypes.PUBLISH)
properties.ResponseTopic = topic + "/answers"
properties.CorrelationData = b"\x00\x01"
properties.UserProperty = [("unit", "°C"), ("unit", "K")]
for number in range(int(count)):
    client.publish(topic + "/t", f"{number}", qos=2, properties=properties).wait_for_publish(timeout=30)
for number in range(int(count)):
    message = received.get(timeout=30)
    assert message.payload == f"{number}".encode(), (number, message.payload)
    assert message.qos == 2, message.qos
    assert message.properties.ResponseTopic == topic + "/answers"
    assert message.properties.CorrelationData == b"\x00\x01"
    assert message.properties.UserProperty == [("unit", "°C"), ("unit", "K")]
assert received.empty()
client.disconnect()
client.loop_stop()
print(f"{count} messages came back")
