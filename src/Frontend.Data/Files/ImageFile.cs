using System.Runtime.InteropServices;
using SkiaSharp;

namespace Picograd.Data;

/// <summary>Pictures in files: PNG, JPEG, BMP, GIF and WebP are read, PNG, JPEG and WebP written.</summary>
public static class ImageFile
{
    // 1 GiB as decoded.
    private const long MostPixels = 1 << 28;

    /// <summary>Reads a picture as uint8 [channels, height, width].</summary>
    /// <param name="path">The file.</param>
    /// <param name="channels">1 for grey, 3 for RGB, 4 for RGB and opacity.</param>
    /// <exception cref="InvalidDataException">No picture that can be read, or one of more than 2²⁸ pixels.</exception>
    public static Tensor Load(string path, int channels = 3)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (channels is not (1 or 3 or 4))
            throw new ArgumentOutOfRangeException(nameof(channels), $"channels is {channels}, but must be 1, 3 or 4.");
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file {path}.", path);
        using var codec = SKCodec.Create(path);
        if (codec is null)
            throw new InvalidDataException($"{path} is no picture that can be read.");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height is < 1 or > MostPixels)
            throw new InvalidDataException($"{path} has {width} x {height} pixels; at most {MostPixels} are read.");
        byte[] pixels = new byte[(long)width * height * 4];
        var handle = GCHandle.Alloc(pixels, GCHandleType.Pinned);
        try
        {
            var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
            if (codec.GetPixels(info, handle.AddrOfPinnedObject()) is not SKCodecResult.Success and var result)
                throw new InvalidDataException($"{path} is a damaged picture ({result}).");
        }
        finally
        {
            handle.Free();
        }
        byte[] planes = new byte[(long)width * height * channels];
        int size = width * height;
        for (int i = 0; i < size; i++)
        {
            var pixel = pixels.AsSpan(4 * i, 4);
            if (channels == 1)
                // ITU-R 601, as PIL.
                planes[i] = (byte)((pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16);
            for (int c = 0; channels > 1 && c < channels; c++)
                planes[(long)c * size + i] = pixel[c];
        }
        return Tensor.From(planes, [channels, height, width]);
    }

    /// <summary>Writes a picture [channels, height, width] of 1, 3 or 4 channels: uint8, or floats from 0 to 1.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="path">Its ending says the format.</param>
    /// <param name="quality">Of JPEG and WebP, to 100.</param>
    /// <exception cref="ArgumentException">Another shape, dtype or ending.</exception>
    public static void Save(Tensor image, string path, int quality = 95)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var format = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".png" => SKEncodedImageFormat.Png,
            ".jpg" or ".jpeg" => SKEncodedImageFormat.Jpeg,
            ".webp" => SKEncodedImageFormat.Webp,
            var other => throw new ArgumentException(
                $"ImageFile.Save: '{other}' is no format that is written; .png, .jpg and .webp are."
            ),
        };
        byte[] bytes = Encoded(image, format, quality);
        FileBeside.Write(path, file => file.Write(bytes));
    }

    internal static byte[] Encoded(Tensor image, SKEncodedImageFormat format, int quality)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (image.Rank != 3 || image.Shape[0] is not (1 or 3 or 4) || image.NumElements == 0)
            throw new ArgumentException(
                $"A picture has the shape [1, 3 or 4, height, width], but {image.Shape} was given."
            );
        using var off = Tensor.NoGrad();
        var bytes = image.Detach().ToDevice(Device.Cpu);
        if (bytes.DType.IsFloat())
            bytes = (bytes.To(DType.Float32) * 255 + 0.5).Clamp(0, 255).To(DType.UInt8);
        else if (bytes.DType != DType.UInt8)
            throw new ArgumentException($"A picture is of uint8 or floats, but {bytes.DType} was given.");
        byte[] planes = bytes.Contiguous().ToArray<byte>();
        var (channels, height, width) = ((int)image.Shape[0], (int)image.Shape[1], (int)image.Shape[2]);
        int size = width * height;
        byte[] pixels = new byte[4L * size];
        for (int i = 0; i < size; i++)
        {
            for (int c = 0; c < 3; c++)
                pixels[4 * i + c] = planes[(channels == 1 ? 0 : c) * size + i];
            pixels[4 * i + 3] = channels == 4 ? planes[3 * size + i] : (byte)255;
        }
        var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        using var picture = SKImage.FromPixelCopy(info, pixels, info.RowBytes);
        using var data = picture.Encode(format, quality);
        return data.ToArray();
    }
}
