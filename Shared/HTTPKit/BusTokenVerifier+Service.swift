// SPDX-License-Identifier: Apache-2.0
import Identity
import ServiceKit

/// A service whose routes ask for persons runs its verifier beside its server.
extension BusTokenVerifier: Service {}
