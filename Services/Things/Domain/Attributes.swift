// SPDX-License-Identifier: Apache-2.0
import Core

/// What people write on things and channels: a name, tags, and a JSON object of their own.
struct Attributes: Sendable, Equatable {
    var name: String
    var tags: [String]
    /// The text of a JSON object.
    var metadata: String

    init(name: String = "", tags: [String] = [], metadata: String = "{}") {
        self.name = name
        self.tags = tags
        self.metadata = metadata
    }

    /// Each longer than any tag in use needs to be; fifty of them fit an index entry.
    static let maximumTags = 50
    static let maximumTagBytes = 128

    /// - Throws: `unprocessable`, naming what breaks which limit.
    func check() throws(ServiceError) {
        try Self.check(name: name)
        try Self.check(tags: tags)
        try Self.check(metadata: metadata)
    }

    static func check(name: String) throws(ServiceError) {
        guard name.utf8.count <= Limits.nameBytes else {
            throw ServiceError(
                .unprocessable, reason: "name-too-long", "'name' must be at most \(Limits.nameBytes) bytes of UTF-8")
        }
        try checkStorable(name, field: "name")
    }

    static func check(tags: [String]) throws(ServiceError) {
        guard tags.count <= maximumTags else {
            throw ServiceError(.unprocessable, reason: "too-many-tags", "'tags' must be at most \(maximumTags)")
        }
        for tag in tags {
            guard !tag.isEmpty, tag.utf8.count <= maximumTagBytes else {
                throw ServiceError(
                    .unprocessable, reason: "invalid-tag",
                    "each of 'tags' must be 1 to \(maximumTagBytes) bytes of UTF-8")
            }
            try checkStorable(tag, field: "tags")
        }
        guard Set(tags).count == tags.count else {
            throw ServiceError(.unprocessable, reason: "repeated-tag", "'tags' must not repeat one")
        }
    }

    static func check(metadata: String) throws(ServiceError) {
        guard metadata.utf8.count <= Limits.metadataBytes else {
            throw ServiceError(
                .unprocessable, reason: "metadata-too-large",
                "'metadata' must be at most \(Limits.metadataBytes) bytes as JSON")
        }
    }

    /// PostgreSQL's text cannot hold U+0000.
    private static func checkStorable(_ text: String, field: String) throws(ServiceError) {
        guard !text.utf8.contains(0) else {
            throw ServiceError(.unprocessable, reason: "nul-character", "'\(field)' must not hold the character U+0000")
        }
    }
}

/// A change of some attributes; nil leaves one as it is. Two changes at the same time that touch different ones both last.
struct AttributesChange: Sendable, Equatable {
    var name: String?
    var tags: [String]?
    var metadata: String?

    init(name: String? = nil, tags: [String]? = nil, metadata: String? = nil) {
        self.name = name
        self.tags = tags
        self.metadata = metadata
    }

    func check() throws(ServiceError) {
        if let name { try Attributes.check(name: name) }
        if let tags { try Attributes.check(tags: tags) }
        if let metadata { try Attributes.check(metadata: metadata) }
    }
}
