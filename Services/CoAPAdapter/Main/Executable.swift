// SPDX-License-Identifier: Apache-2.0
import CoAPAdapter
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(CoAPAdapter.description) } }
