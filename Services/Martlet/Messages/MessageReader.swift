// SPDX-License-Identifier: Apache-2.0

/// Reads a channel's stored messages, as a person or as a thing.
struct MessageReader: Sendable {
    /// The most that the reader gives at once.
    static let pageSize = 1_000

    let context: CommandContext
    let path: String
    /// What of the channel's messages could not be stored.
    let deadLettersPath: String
    /// nil: as the person who is logged in.
    let key: String?

    init(_ context: CommandContext, channel: String, _ identity: ThingOptions) async throws {
        self.context = context
        // Who is logged in reads as a person, unless a thing is meant.
        let names = identity.key != nil || identity.thing != nil || !context.hasLogin
        key = names ? try context.requiredKey(identity.key, thing: identity.thing) : nil
        let channel = key == nil ? try await context.channel(channel) : try await context.channelForThing(channel)
        path = "/channels/\(PercentEncoding.encode(channel))/messages"
        deadLettersPath = "/channels/\(PercentEncoding.encode(channel))/dead-letters"
    }

    init(_ context: CommandContext, channelIdentifier: String) {
        self.context = context
        key = nil
        path = "/channels/\(channelIdentifier)/messages"
        deadLettersPath = "/channels/\(channelIdentifier)/dead-letters"
    }

    func page(_ query: [(name: String, value: String)]) async throws -> JSONValue { try await get(path, query) }

    /// The first of the dead letters.
    func deadLetters(_ query: [(name: String, value: String)]) async throws -> [JSONValue] {
        try await get(deadLettersPath, query)["dead_letters"]?.elements ?? []
    }

    private func get(_ path: String, _ query: [(name: String, value: String)]) async throws -> JSONValue {
        let request = APIRequest(.get, path, query: query)
        guard let key else { return try await context.person(request).json() }
        return try await context.client.send(request.authorized("Thing \(key)")).success().json()
    }

    /// Pages by cursor, which cost the same however deep they are and neither repeat nor leave out a message.
    func pages(
        _ query: [(name: String, value: String)], limit: Int
    ) -> AsyncThrowingStream<[JSONValue], any Error> {
        let state = PageState(reader: self, query: query, limit: limit)
        return AsyncThrowingStream { try await state.next() }
    }

    private actor PageState {
        let reader: MessageReader
        let query: [(name: String, value: String)]
        var rest: Int
        var cursor: String?
        var isFinished = false

        init(reader: MessageReader, query: [(name: String, value: String)], limit: Int) {
            self.reader = reader
            self.query = query
            rest = limit
        }

        func next() async throws -> [JSONValue]? {
            guard !isFinished, rest > 0 else { return nil }
            var query = query + [("limit", String(min(MessageReader.pageSize, rest))), ("total", "false")]
            if let cursor { query.append(("cursor", cursor)) }
            let page = try await reader.page(query)
            let messages = page["messages"]?.elements ?? []
            cursor = page["next_cursor"]?.text
            rest -= messages.count
            isFinished = cursor == nil || messages.isEmpty
            return messages.isEmpty ? nil : messages
        }
    }
}
