// SPDX-License-Identifier: Apache-2.0
import Messaging

extension RoleTable {
    /// The questions of `things` one by one: there are others, whose answers hold secrets.
    private static let rpc = [
        Subjects.identifyThing, Subjects.lookUpThing, Subjects.authorizeThing, Subjects.lookUpChannel, "rpc.users.>",
    ]
    /// Devices' pre-shared keys in the clear: for who finishes DTLS handshakes with them.
    private static let preSharedKeys = [Subjects.preSharedKeys, Subjects.lookUpPreSharedKey]

    /// An adapter carries messages both ways, asks who may do what, and hears when that changes.
    private static func adapter(
        _ name: String, publish: [String] = [], subscribe: [String] = [], consume: [String] = []
    ) -> Role {
        Role(
            name: name, publish: [Subjects.allMessages] + rpc + publish,
            subscribe: [Subjects.allEvents, Subjects.allMessages] + subscribe, consume: consume)
    }

    /// A service with operations of its own announces its changes and may ask the others.
    private static func service(
        _ name: String, publish: [String] = [], subscribe: [String] = [], consume: [String] = []
    ) -> Role {
        Role(
            name: name, publish: ["events.\(name).>", "refusals.\(name)"] + rpc + publish,
            subscribe: ["rpc.\(name).>", Subjects.allEvents] + subscribe, consume: consume)
    }

    /// One role for each service of DESIGN section 4; an adapter for devices also serves their control plane (`things.>`).
    static let defaults: [Role] = [
        // They read the stream for live subscribers. Without a durable consumer, which would hold back what may be deleted; the name only
        // keeps it from reading through anybody else's.
        adapter("http-adapter", consume: ["\(Streams.messages)/http-adapter"]),
        adapter(
            // What operators do to clients is announced, what they are refused is told to the journal.
            "mqtt-adapter", publish: ["things.>", "events.mqtt-adapter.>", "refusals.mqtt-adapter"],
            subscribe: ["things.>"],
            consume: ["\(Streams.messages)/mqtt-adapter"]),
        adapter(
            // As above; what a resource's last message was, it asks the reader.
            "coap-adapter",
            publish: [
                "things.>", "events.coap-adapter.>", "refusals.coap-adapter", Subjects.lastMessage,
            ] + preSharedKeys, subscribe: ["things.>"], consume: ["\(Streams.messages)/coap-adapter"]),
        // A durable consumer for each remote broker.
        adapter("mqtt-bridge", consume: [Streams.messages]),
        service("users"),
        service("things", consume: ["\(Streams.events)/\(Streams.thingsConsumer)"]),
        Role(
            name: "writer-postgres", publish: rpc, subscribe: [Subjects.allEvents],
            consume: [Streams.messages, Streams.deadLetters]),
        Role(
            name: "reader-postgres", publish: rpc + ["refusals.reader-postgres"],
            subscribe: ["rpc.reader.>", Subjects.allEvents]),
        service(
            "journal",
            consume: [
                "\(Streams.events)/\(Streams.journalConsumer)", "\(Streams.refusals)/\(Streams.journalConsumer)",
            ]),
        service(
            "twins", publish: ["things.>"], subscribe: ["things.>", Subjects.allMessages],
            consume: [Streams.messages, Streams.events]),
        service("certs"),
        service("bootstrap"),
        everything(named: "martlet"),
    ]
}
