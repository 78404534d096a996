// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import Identity

/// Who may call an operation.
public enum Access: Sendable, Equatable {
    /// Anybody: login, registration, health.
    case anyone
    /// A person with a good access token (`Authorization: Bearer`); the context then has a principal.
    case person
    /// The handler decides by itself, from whatever credentials its dialect takes.
    case custom
}

/// What a token that is not simply a role (a key, a custom role) must be good for.
public enum Scope: Sendable, Equatable {
    /// `<tag>:read` for GET, `<tag>:write` for anything else, on the entity that the path's `:id` names.
    case derived
    /// This action instead.
    case action(Action)
    /// No key at all is good for this: who may do it has logged in.
    case session
    /// The handler decides by itself, from the principal.
    case handler
}

/// One operation's documentation: what goes into the OpenAPI document beside its path and method.
public struct Operation: Sendable {
    public var summary: String
    public var tag: String
    public var access: Access
    public var scope: Scope
    public var parameters: [QueryParameter]
    /// Schema of the JSON body; nil: the operation takes none.
    public var requestBody: JSONValue?
    /// Schema of the successful response's JSON body; nil: it has none.
    public var responseBody: JSONValue?
    /// Media types of a successful response that is not JSON, or not only.
    public var responseTypes: [String]
    public var successStatus: Int
    /// Further statuses of success, without a body.
    public var otherSuccesses: [Int]
    /// The refusals that are the operation's own; 400, 401, 403, 413, 415, 429, 500 and 503 need not be listed.
    public var errors: [Int]

    public init(
        _ summary: String, tag: String, access: Access = .person, scope: Scope = .derived,
        parameters: [QueryParameter] = [], requestBody: JSONValue? = nil, responseBody: JSONValue? = nil,
        responseTypes: [String] = [], successStatus: Int = 200, otherSuccesses: [Int] = [], errors: [Int] = []
    ) {
        self.summary = summary
        self.tag = tag
        self.access = access
        self.scope = scope
        self.parameters = parameters
        self.requestBody = requestBody
        self.responseBody = responseBody
        self.responseTypes = responseTypes
        self.successStatus = successStatus
        self.otherSuccesses = otherSuccesses
        self.errors = errors
    }
}

/// A query parameter's documentation.
public struct QueryParameter: Sendable {
    public var name: String
    public var description: String
    public var schema: JSONValue

    public init(_ name: String, _ description: String, schema: JSONValue = ["type": "string"]) {
        self.name = name
        self.description = description
        self.schema = schema
    }

    /// What every list takes.
    public static let paging: [QueryParameter] = [
        QueryParameter("offset", "How many to leave out.", schema: ["type": "integer", "minimum": 0, "default": 0]),
        QueryParameter(
            "limit", "How many at most.", schema: ["type": "integer", "minimum": 1, "maximum": 100, "default": 10]),
        QueryParameter("cursor", "Where the page before ended: its `next_cursor`. Not together with offset."),
    ]

    /// What lists of entities take.
    public static let filters: [QueryParameter] = [
        QueryParameter("name", "Only those whose name contains this, whatever the case."),
        QueryParameter("tag", "Only those with this tag."),
        QueryParameter("metadata", "Only those whose metadata contains this JSON object."),
        QueryParameter(
            "status", "Only those with this status.",
            schema: ["type": "string", "enum": ["enabled", "disabled", "all"]]),
    ]
}
