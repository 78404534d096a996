// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import ServiceKit

/// Verifies tokens where they are made: the signature by the own keys, the session or key by the database, so that a revocation holds with the next request.
struct LocalTokenVerifier: AccessTokenVerifier {
    let store: UsersStore
    let signer: TokenSigner
    let clock: WallClock

    func verify(_ token: String) async throws(ServiceError) -> Principal {
        do {
            if KeyToken.isKey(token) {
                let key = try await store.identifyKey(hash: SecretKey.hash(token), now: clock.now())
                guard let key else { throw ServiceError.invalidKey }
                return key.principal
            }
            let claims = try await signer.validate(token)
            guard try await store.isLive(claims.sid, user: claims.sub) else { throw AccessTokenFault.revoked }
            return claims.principal
        } catch let fault as AccessTokenFault {
            throw ServiceError(fault: fault)
        } catch let error as ServiceError {
            throw error
        } catch let error as any ServiceErrorConvertible {
            throw error.serviceError
        } catch {
            throw ServiceError(
                .internalFailure, reason: "internal", "something went wrong on our side",
                detail: String(reflecting: error))
        }
    }
}
