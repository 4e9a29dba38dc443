internal import TelpherAccess
internal import TelpherFleet
internal import TelpherKeys

/// Signs jobs with the user's ssh key.
struct JobSigner {
  /// The value of `--identity`.
  let identity: String?
  let environment: [String: String]

  /// The job with its signature. Blocks: the user may have to type a passphrase.
  ///
  /// - Throws: `Failure` if there is no key, or if it does not sign.
  func sign(_ job: FleetJob) throws(Failure) -> SignedJob {
    let ring = TLSSettings.KeySettings(
      agent: environment["SSH_AUTH_SOCK"], identity: identity,
      folder: environment["HOME"].map { "\($0)/.ssh" }, mayUseToken: false
    ).ring
    do throws(KeyError) {
      return SignedJob(
        job, signature: try ring.sign(job.signedBytes, namespace: SignedJob.namespace))
    } catch {
      throw Failure("cannot sign the job: \(error)", kind: "not_authenticated")
    }
  }
}
