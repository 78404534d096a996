// SPDX-License-Identifier: Apache-2.0
import Core
import Hummingbird
import Identity
import Messaging
import Synchronization

/// Where a service declares its operations: each one's path, method, documentation, right of access and handler.
///
///     routes.post("/things", Operation("Create a thing", tag: "things", …)) { request, context in … }
///
/// Paths are Hummingbird's: `:id` captures a segment, a last `**` the rest.
public final class RouteTable: Sendable {
    struct Entry: Sendable {
        let method: HTTPRequest.Method
        let path: String
        let operation: Operation?
    }

    public typealias Handler = @Sendable (Request, ServiceRequestContext) async throws -> Response

    private struct Registration: Sendable {
        let entry: Entry
        let handler: Handler
    }

    private let registrations = Mutex<[Registration]>([])
    private let verifier: (any AccessTokenVerifier)?

    /// - Parameter verifier: needed as soon as an operation asks for a person.
    init(verifier: (any AccessTokenVerifier)?) {
        self.verifier = verifier
    }

    public func get(_ path: String, _ operation: Operation, handler: @escaping Handler) {
        on(.get, path, operation, handler: handler)
    }

    public func post(_ path: String, _ operation: Operation, handler: @escaping Handler) {
        on(.post, path, operation, handler: handler)
    }

    public func put(_ path: String, _ operation: Operation, handler: @escaping Handler) {
        on(.put, path, operation, handler: handler)
    }

    public func patch(_ path: String, _ operation: Operation, handler: @escaping Handler) {
        on(.patch, path, operation, handler: handler)
    }

    public func delete(_ path: String, _ operation: Operation, handler: @escaping Handler) {
        on(.delete, path, operation, handler: handler)
    }

    public func on(
        _ method: HTTPRequest.Method, _ path: String, _ operation: Operation, handler: @escaping Handler
    ) {
        var handler = handler
        if operation.access == .person {
            guard let verifier else {
                preconditionFailure("\(method) \(path) needs a person, and the application has no verifier")
            }
            let inner = handler
            handler = { request, context in
                var context = context
                let principal = try await verifier.verify(BearerToken.require(request))
                // Known also when it is not let in.
                context.principal = principal
                context.principal = try Self.admit(
                    principal, to: operation, method, entity: context.parameters.get("id"))
                return try await RequestOrigin.$current.withValue(context.origin) {
                    try await inner(request, context)
                }
            }
        }
        add(Registration(entry: Entry(method: method, path: path, operation: operation), handler: handler))
    }

    /// Holds keys to the operation's scope. What a person's roles allow is the handler's to judge: there may be more than the domain's roles, as
    /// those on a group of things.
    /// - Returns: the principal with the role that the operation asks for, when it was the actions that allowed it.
    private static func admit(
        _ principal: Principal, to operation: Operation, _ method: HTTPRequest.Method, entity: String?
    ) throws(ServiceError) -> Principal {
        let action: Action
        switch operation.scope {
        case .handler: return principal
        case .session:
            try principal.requireSession()
            return principal
        case .action(let named): action = named
        case .derived: action = Action(operation.tag, isRead: method == .get)
        }
        guard principal.grants != nil else { return principal }
        if principal.credential == .session, !principal.allows(action, on: entity) { return principal }
        try principal.require(action, on: entity)
        return principal.admitted(to: action)
    }

    /// A route that the OpenAPI document does not list.
    func undocumented(_ method: HTTPRequest.Method, _ path: String, handler: @escaping Handler) {
        add(Registration(entry: Entry(method: method, path: path, operation: nil), handler: handler))
    }

    private func add(_ registration: Registration) {
        registrations.withLock { $0.append(registration) }
    }

    var entries: [Entry] { registrations.withLock { $0.map(\.entry) } }

    func install(in router: Router<ServiceRequestContext>) {
        for registration in registrations.withLock({ $0 }) {
            let handler = registration.handler
            router.on(RouterPath(registration.entry.path), method: registration.entry.method) { request, context in
                try await handler(request, context)
            }
        }
    }

    /// Which methods a path has, when it has any: the difference between 404 and 405.
    static func allowedMethods(_ entries: [Entry], path: String) -> [String] {
        let segments = path.split(separator: "/")
        var methods: Set<String> = []
        for entry in entries where matches(entry.path.split(separator: "/"), segments) {
            methods.insert(entry.method.rawValue)
            if entry.method == .get { methods.insert("HEAD") }
        }
        return methods.sorted()
    }

    private static func matches(_ template: [Substring], _ segments: [Substring]) -> Bool {
        var position = 0
        for part in template {
            if part == "**" { return position < segments.count }
            guard position < segments.count else { return false }
            guard part.hasPrefix(":") || part == "*" || part == segments[position] else { return false }
            position += 1
        }
        return position == segments.count
    }
}

/// `Authorization: Bearer <token>` (RFC 6750 section 2.1).
public enum BearerToken {
    /// A token longer than this is not one of ours: claims and signature take about 600 bytes.
    static let maximumBytes = 4 << 10

    /// - Throws: `unauthenticated`, saying what is missing.
    public static func require(_ request: Request) throws(ServiceError) -> String {
        guard let header = request.headers[.authorization] else {
            throw ServiceError(
                .unauthenticated, reason: "no-credentials", "an Authorization header with a Bearer token is needed")
        }
        let parts = header.split(separator: " ", maxSplits: 1)
        // The scheme is case-insensitive: RFC 9110 section 11.1.
        guard parts.count == 2, parts[0].lowercased() == "bearer", parts[1].utf8.count <= maximumBytes else {
            throw ServiceError(
                .unauthenticated, reason: "wrong-scheme", "the Authorization header must be 'Bearer <access token>'")
        }
        return String(parts[1])
    }
}
