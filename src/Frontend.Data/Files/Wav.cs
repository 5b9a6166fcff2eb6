using System.Buffers.Binary;
using NAudio.Utils;
using NAudio.Wave;

namespace Picograd.Data;

/// <summary>Sounds in RIFF WAVE files.</summary>
public static class Wav
{
    /// <summary>Reads a sound as float32 [channels, frames] from −1 to 1, with its rate in Hz.</summary>
    /// <exception cref="InvalidDataException">No WAVE file, or one of a kind that is not read (PCM of 8 to 32 bits and floats are).</exception>
    public static (Tensor Samples, int SampleRate) Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = File.OpenRead(path);
        try
        {
            using var reader = new WaveFileReader(file);
            var format = reader.WaveFormat;
            if (format.Channels < 1 || format.BlockAlign < 1 || format.SampleRate < 1)
                throw new InvalidDataException(
                    $"{format.Channels} channels, {format.BlockAlign} bytes a frame and {format.SampleRate} Hz"
                );
            // A header may say more than there is.
            long frames = Math.Min(reader.Length, file.Length) / format.BlockAlign;
            if (frames * format.Channels > Array.MaxLength)
                throw new InvalidDataException($"{frames} frames are more than an array holds");
            var samples = new float[frames * format.Channels];
            int got = 0;
            var provider = reader.ToSampleProvider();
            while (got < samples.Length && provider.Read(samples, got, samples.Length - got) is > 0 and var more)
                got += more;
            if (got < samples.Length)
                throw new InvalidDataException($"it ends after {got} of {samples.Length} samples");
            return (Tensor.From(samples, [frames, format.Channels]).T.Contiguous(), format.SampleRate);
        }
        catch (Exception e) when (e is not IOException || e is EndOfStreamException)
        {
            throw new InvalidDataException($"{path} is no WAVE file that can be read: {e.Message}.", e);
        }
    }

    /// <summary>Writes float samples [channels, frames] or [frames] as PCM of 16 bits; what is beyond ± 1 is cut.</summary>
    /// <exception cref="ArgumentException">Another shape.</exception>
    public static void Save(Tensor samples, string path, int sampleRate)
    {
        ArgumentNullException.ThrowIfNull(samples);
        if (samples.Rank is not (1 or 2))
            throw new ArgumentException(
                $"Wav.Save: the shape is {samples.Shape}, but must be [channels, frames] or [frames]."
            );
        if (sampleRate < 1)
            throw new ArgumentOutOfRangeException(
                nameof(sampleRate),
                $"Wav.Save: sampleRate is {sampleRate}, but must be at least 1 Hz."
            );
        using var off = Tensor.NoGrad();
        var sound = samples.Rank == 1 ? samples.Unsqueeze(0) : samples;
        // What a frame has in bytes is a number of 16 bits.
        if (sound.Shape[0] is < 1 or > ushort.MaxValue / 2)
            throw new ArgumentException(
                $"Wav.Save: {sound.Shape[0]} channels are given, but there must be from 1 to {ushort.MaxValue / 2}."
            );
        float[] values = sound.Detach().ToDevice(Device.Cpu).To(DType.Float32).T.Contiguous().ToArray<float>();
        // As 1 is 32768, what was read is written as it was.
        var bytes = new byte[values.Length * 2L];
        for (int i = 0; i < values.Length; i++)
        {
            double level = Math.Clamp(Math.Round(values[i] * 32768.0), short.MinValue, short.MaxValue);
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2 * i), double.IsNaN(level) ? (short)0 : (short)level);
        }
        FileBeside.Write(
            path,
            file =>
            {
                // Its end is written when it is disposed of, with the stream.
                using var memory = new MemoryStream();
                using (
                    var writer = new WaveFileWriter(
                        new IgnoreDisposeStream(memory),
                        new WaveFormat(sampleRate, 16, (int)sound.Shape[0])
                    )
                )
                    writer.Write(bytes, 0, bytes.Length);
                memory.WriteTo(file);
            }
        );
    }
}
