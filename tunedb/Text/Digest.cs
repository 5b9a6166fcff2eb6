using System.Security.Cryptography;
using System.Text;

namespace Picograd.TuneDb.Text;

/// <summary>Hashes of text: SHA-256 over UTF-8, in lower-case hexadecimal.</summary>
internal static class Digest
{
    // Strict, so that text which UTF-8 cannot hold (a lone surrogate) is refused rather than silently replaced.
    private static readonly UTF8Encoding Strict = new(false, true);

    /// <summary>All 256 bits: checksums.</summary>
    public static string Full(string text) => Convert.ToHexStringLower(SHA256.HashData(Strict.GetBytes(text)));

    /// <summary>The first 128 bits: names of keys and traces. Look-ups compare the whole key as well.</summary>
    public static string Short(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Strict.GetBytes(text)).AsSpan(0, 16));

    /// <summary>True when UTF-8 can hold the text without loss.</summary>
    public static bool IsEncodable(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
            {
                continue;
            }

            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
            {
                return false;
            }

            i++;
        }

        return true;
    }
}
