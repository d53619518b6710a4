# A pipeline of images against Origami: launch an instance from an imported
# image, make an image of it, and another one from a snapshot of its root
# volume; share one, and let it grow old.
#
#   eval "$(origami env)"
#   terraform init && terraform apply

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32, < 7.0"
    }
  }
}

variable "endpoint" {
  description = "Where Origami serves EC2 and STS."
  type        = string
  default     = "http://127.0.0.1:8773"
}

variable "source_image" {
  description = "Name of the image to launch."
  type        = string
  default     = "debian-12"
}

variable "public_key" {
  description = "OpenSSH public key that logs in to the instance."
  type        = string
}

variable "share_with" {
  description = "Account that may launch the image; null shares it with nobody."
  type        = string
  default     = null
}

# Keys and region come from the environment. Everything that would look for
# Amazon itself is off.
provider "aws" {
  skip_metadata_api_check = true
  skip_region_validation  = true

  endpoints {
    ec2 = var.endpoint
    sts = var.endpoint
  }

  default_tags {
    tags = { Pipeline = "example" }
  }
}

data "aws_ami" "source" {
  owners      = ["self"]
  most_recent = true

  filter {
    name   = "name"
    values = [var.source_image]
  }
}

resource "aws_key_pair" "login" {
  key_name_prefix = "example-"
  public_key      = var.public_key
}

resource "aws_instance" "builder" {
  ami           = data.aws_ami.source.id
  instance_type = "t3.small"
  key_name      = aws_key_pair.login.key_name
  user_data     = <<-EOT
    #!/bin/sh
    echo "built by Terraform" >/etc/motd
  EOT

  root_block_device {
    volume_type = "gp3"
    volume_size = 4
    tags        = { Name = "root of the builder" }
  }

  ebs_block_device {
    device_name           = "/dev/sdf"
    volume_type           = "gp3"
    volume_size           = 8
    iops                  = 3500
    throughput            = 150
    delete_on_termination = true
    tags                  = { Name = "data of the builder" }
  }

  tags = { Name = "builder" }
}

resource "aws_ami_from_instance" "baked" {
  name               = "baked"
  description        = "what the builder made of itself"
  source_instance_id = aws_instance.builder.id
  tags               = { Name = "baked" }
}

resource "aws_ebs_snapshot" "root" {
  volume_id   = aws_instance.builder.root_block_device[0].volume_id
  description = "root of the builder"
  tags        = { Name = "root" }
}

resource "aws_ami" "assembled" {
  name                = "assembled"
  description         = "the same root, registered by hand"
  architecture        = "x86_64"
  virtualization_type = "hvm"
  ena_support         = true
  imds_support        = "v2.0"
  root_device_name    = "/dev/sda1"
  deprecation_time    = "2030-01-01T00:00:00Z"

  ebs_block_device {
    device_name = "/dev/sda1"
    snapshot_id = aws_ebs_snapshot.root.id
    volume_size = 8
    volume_type = "gp3"
  }

  ephemeral_block_device {
    device_name  = "/dev/sdb"
    virtual_name = "ephemeral0"
  }
}

resource "aws_ami_launch_permission" "share" {
  count      = var.share_with == null ? 0 : 1
  image_id   = aws_ami.assembled.id
  account_id = var.share_with
}

output "image" {
  value = aws_ami.assembled.id
}

output "address" {
  description = "ssh admin@ADDRESS"
  value       = aws_instance.builder.public_ip
}
