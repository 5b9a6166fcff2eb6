using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Search.Worker;

/// <summary>What a worker process is told about the task that follows.</summary>
/// <param name="Spec">The problem's label.</param>
/// <param name="Problem">Its canonical text.</param>
/// <param name="Target">The device by name: cpu, cuda:0.</param>
/// <param name="Threads">Threads that kernels may use.</param>
/// <param name="VectorBits">Vector width to compile for.</param>
/// <param name="Policy">warm or cold.</param>
/// <param name="Seed">Of the inputs.</param>
public sealed record WorkerInit(
    string Spec,
    string Problem,
    string Target,
    int Threads,
    int VectorBits,
    string Policy,
    int Seed
);

/// <summary>One request; exactly one part is there.</summary>
internal sealed record WorkerRequest
{
    public WorkerInit? Init { get; init; }
    public MeasureRequest? Measure { get; init; }
    public RaceRequest? Race { get; init; }

    /// <summary>A trace.</summary>
    public string? Certify { get; init; }
}

internal sealed record MeasureRequest(string Trace, double Best);

internal sealed record RaceRequest(IReadOnlyList<string> Traces, RacePlan Plan);

/// <summary>One answer; exactly one part is there.</summary>
internal sealed record WorkerReply
{
    /// <summary>The task was taken: what its inputs and their right answers took, in seconds.</summary>
    public double? Ready { get; init; }

    /// <summary>With <see cref="Ready"/>: what they take once more.</summary>
    public double? Again { get; init; }

    public Measured? Measured { get; init; }
    public RaceTimes? Raced { get; init; }
    public Certification? Certified { get; init; }

    /// <summary>The request as a whole could not be done.</summary>
    public string? Failed { get; init; }

    /// <summary>The target is lost for the worker, which ends after this answer.</summary>
    public bool? Lost { get; init; }
}

/// <summary>Messages as UTF-8 JSON behind their length in four bytes, little-endian.</summary>
internal static class WorkerMessages
{
    /// <summary>Traces are a few kilobytes; anything far beyond is not one of our messages.</summary>
    private const int Longest = 64 << 20;

    private static readonly JsonSerializerOptions Options = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static void Write<T>(Stream stream, T message)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(message, Options);
        var framed = new byte[json.Length + 4];
        BinaryPrimitives.WriteInt32LittleEndian(framed, json.Length);
        json.CopyTo(framed, 4);
        stream.Write(framed);
        stream.Flush();
    }

    /// <summary>The next message; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">The stream holds something else.</exception>
    public static T? Read<T>(Stream stream)
        where T : class
    {
        Span<byte> header = stackalloc byte[4];
        int got = stream.ReadAtLeast(header, 4, throwOnEndOfStream: false);
        if (got < 4)
            return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(header);
        if (length is <= 0 or > Longest)
            throw new InvalidDataException($"a message of {length} bytes; the stream is not one of a tuning worker");
        var body = new byte[length];
        if (stream.ReadAtLeast(body, length, throwOnEndOfStream: false) < length)
            return null;
        try
        {
            return JsonSerializer.Deserialize<T>(body, Options);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"a message that is not understood: {e.Message}", e);
        }
    }
}
