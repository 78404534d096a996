// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The session of a profile: gives access tokens that are good, and exchanges the refresh token when none is. Where the profile holds a key for
/// programs, that is the token.
///
/// The refresh token is good for one use and its reuse ends the session (`Services/Users/README.md`). Processes and tasks that need a
/// new token at once take turns by the profile's lock, and each looks first whether somebody else has exchanged it meanwhile.
struct Session: Sendable {
    let store: ProfileStore
    let profileName: String
    let client: APIClient
    /// Seconds since 1970.
    var now: @Sendable () -> Double = { Date().timeIntervalSince1970 }

    /// A token that is not known to be spent.
    /// - Parameter refused: the token that a server has just refused, although its time is not over.
    func accessToken(refused: String? = nil) async throws -> String {
        if let token = try usable(current(), refused: refused) { return token }
        return try await refresh(refused: refused)
    }

    /// - Throws: where it is the profile's key that was refused, because nothing can be had in its place.
    private func usable(_ profile: Profile, refused: String?) throws -> String? {
        if let key = profile.apiKey {
            guard key != refused else { throw keyRefused }
            return key
        }
        guard let token = profile.accessToken, token != refused, !AccessToken.isSpent(token, now: now()) else {
            return nil
        }
        return token
    }

    private func current() throws -> Profile {
        guard let profile = try store.load(profileName), profile.isLoggedIn else { throw notLoggedIn }
        return profile
    }

    private func refresh(refused: String?) async throws -> String {
        // Held while the server answers: the point of the lock is that nobody else sends the same refresh token meanwhile.
        let lock = try await store.lock(profileName)
        defer { withExtendedLifetime(lock) {} }
        var profile = try current()
        if let token = try usable(profile, refused: refused) { return token }
        let tokens: TokenPair
        do {
            tokens = try await TokenPair.refresh(profile.refreshToken ?? "", client)
        } catch let failure as CommandFailure where failure.status == .notAuthenticated || failure.httpStatus == 403 {
            // Forbidden: who was taken out of the session's domain, or whose domain was disabled, has none there any more.
            throw CommandFailure(
                .notAuthenticated, "the session has ended: \(failure.message)", advice: loginAdvice,
                reason: failure.reason, httpStatus: failure.httpStatus)
        }
        profile.accessToken = tokens.access
        profile.refreshToken = tokens.refresh
        try store.save(profile, as: profileName)
        return tokens.access
    }

    var notLoggedIn: CommandFailure {
        CommandFailure(.notAuthenticated, "nobody is logged in", advice: loginAdvice, reason: "not-logged-in")
    }

    private var keyRefused: CommandFailure {
        CommandFailure(
            .notAuthenticated, "the key of profile '\(profileName)' is refused: it was revoked, or has expired",
            advice: "\(loginAdvice) --key keeps another one", reason: "invalid-key", httpStatus: 401)
    }

    private var loginAdvice: String {
        profileName == ProfileStore.defaultName ? "martlet login" : "martlet login --profile \(profileName)"
    }
}
