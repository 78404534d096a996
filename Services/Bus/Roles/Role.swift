// SPDX-License-Identifier: Apache-2.0
import Messaging

/// What a service of some name may do on the bus.
struct Role: Codable, Sendable, Equatable {
    /// The name that the service states in its hello.
    var name: String
    /// Filters of subjects it may publish to. Answering to an inbox needs no permission.
    var publish: [String]
    /// Filters it may subscribe within.
    var subscribe: [String]
    /// Streams it may read: `<stream>` for any durable consumer of it, `<stream>/<consumer>` for that one. `*` for all streams.
    var consume: [String]
    /// May declare streams, delete any consumer and read the counters.
    var operate: Bool

    init(
        name: String, publish: [String] = [], subscribe: [String] = [], consume: [String] = [], operate: Bool = false
    ) {
        self.name = name
        self.publish = publish
        self.subscribe = subscribe
        self.consume = consume
        self.operate = operate
    }

    private enum CodingKeys: String, CodingKey { case name, publish, subscribe, consume, operate }

    /// Absent members grant nothing.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        publish = try container.decodeIfPresent([String].self, forKey: .publish) ?? []
        subscribe = try container.decodeIfPresent([String].self, forKey: .subscribe) ?? []
        consume = try container.decodeIfPresent([String].self, forKey: .consume) ?? []
        operate = try container.decodeIfPresent(Bool.self, forKey: .operate) ?? false
    }

    func maySubscribe(to filter: String) -> Bool {
        subscribe.contains { SubjectFilter.covers($0, filter) }
    }

    /// - Parameter consumer: nil: reading without one, or asking for the stream's state.
    func mayRead(stream: String, consumer: String? = nil) -> Bool {
        consume.contains { entry in
            if entry == "*" || entry == stream { return true }
            guard entry.hasPrefix(stream + "/") else { return false }
            guard let consumer else { return true }
            return entry == "\(stream)/\(consumer)"
        }
    }
}
