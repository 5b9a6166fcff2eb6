using System.Security.Cryptography;
using System.Text;

namespace Picograd.TuneDb;

/// <summary>A compiled kernel as the back end wants it.</summary>
/// <param name="Code">The code.</param>
/// <param name="Log">The compiler's log.</param>
public sealed record CompiledBinary(byte[] Code, string Log)
{
    /// <summary>Bytes of code and log together.</summary>
    internal long Bytes => Code.Length + Encoding.UTF8.GetByteCount(Log);

    internal string Checksum()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(BitConverter.GetBytes(Code.LongLength));
        hash.AppendData(Code);
        hash.AppendData(Encoding.UTF8.GetBytes(Log));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

/// <summary>What the cache of compiled kernels holds.</summary>
/// <param name="Count">Kernels.</param>
/// <param name="Bytes">Of code and logs together.</param>
public sealed record BinaryStatistics(int Count, long Bytes);
